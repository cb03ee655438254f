from mmsemiloc.evaluation.cam_localization import energy_in_box, resize_maps

__all__ = ['energy_in_box', 'resize_maps']
